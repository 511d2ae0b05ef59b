/** Stands for the global `crypto` in the build for main processes: Node 18 (Electron 25) has none. */

export { webcrypto as crypto } from "node:crypto";
