"""Access tokens: JSON Web Tokens (RFC 7519) in the profile of RFC 9068, checked as RFC 8725 asks."""
