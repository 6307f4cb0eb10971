/** Of d3-array the three things that d3-geo uses: the whole of it would be a seventeenth of the first load. */

/** A sum that keeps what is small beside what is large: what each addition rounds off is added at the end. */
export class Adder {
  #sum = 0;
  #lost = 0;

  add(value) {
    const next = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - next + value : value - next + this.#sum;
    this.#sum = next;
    return this;
  }

  valueOf() {
    return this.#sum + this.#lost;
  }
}

/** The items of lists, one list after the other. */
export const merge = (lists) => [...lists].flat();

/** Numbers from `start` on, `step` apart, below `stop`. */
export const range = (start, stop, step) => Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, index) => start + index * step);
