/** The encoder for `emitText`, loaded with it: a file of its own, so that nobody has the encoder from the start. */

export { encodeText } from "./encoder.js";
