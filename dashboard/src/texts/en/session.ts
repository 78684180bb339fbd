/** Signing in and out, and passwords. */
export const session = {
  title: "Sign in",
  username: "User name",
  password: "Password",
  submit: "Sign in",
  ended: "Your session has ended. Sign in again to go on where you were.",
  change: "Change your password",
  forced: "Somebody else chose your password. Choose your own before you go on.",
  oldPassword: "Password until now",
  newPassword: "New password",
  repeat: "New password once more",
  rule: "More than 12 characters. A few words together make a good one.",
  differs: "The two new passwords differ.",
  changed: "Your password was changed. Other sessions of yours have ended.",
} as const;
