export { common } from "./common";
export { fleet } from "./fleet";
export { group } from "./group";
export { instance } from "./instance";
export { kind } from "./kind";
export { release } from "./release";
export { service } from "./service";
export { session } from "./session";
