/** The forms of consumers and credentials. */
export const consumer = {
  username: "User name",
  usernameHint: "Letters, digits, - _ and .; upstreams hear it in X-Consumer-Username. It cannot be changed later.",
  way: "Plugin",
  wayHint: "How the consumer proves who it is. Routes and services ask for it by the plugin of the same name.",
  secretHint: "Who may not read secrets (gateway:RevealSecrets) sees *** here. $secret:// and $env:// refer to secrets kept outside.",
} as const;
