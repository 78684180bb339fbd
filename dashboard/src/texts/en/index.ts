export { common } from "./common";
export { fleet } from "./fleet";
export { group } from "./group";
export { release } from "./release";
export { service } from "./service";
export { session } from "./session";
