/** Remembers that this browser has signed in: scripts cannot see the session's cookie, and asking without one is refused. */
const KEY = "gatefleet-session";

export function hasSession(): boolean {
  return window.localStorage.getItem(KEY) !== null;
}

export function markSession(signedIn: boolean): void {
  if (signedIn) window.localStorage.setItem(KEY, "1");
  else window.localStorage.removeItem(KEY);
}
