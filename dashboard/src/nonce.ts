/** The nonce of this page's Content-Security-Policy: style elements that scripts put in must carry it. */
export const nonce =
  document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
