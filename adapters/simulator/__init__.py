"""A fleet that speaks CAN: one more source of frames, from one seed and in virtual time."""
