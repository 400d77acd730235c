// DOMException (https://webidl.spec.whatwg.org/#idl-DOMException), as far as it is thrown here.
import { PlainError } from "./primordials.js";

export class DOMException extends PlainError {
  #name;
  constructor(message = "", name = "Error") {
    super(message);
    this.#name = `${name}`;
  }
  get name() { return this.#name; }
}
