/** A small document, for who wants to see what happens. */
export const EXAMPLE = `openapi: 3.1.0
info: {title: httpbin, version: "1"}
servers:
  - url: http://httpbin.org
paths:
  /get:
    get: {operationId: get-anything, tags: [methods]}
  /status/{code}:
    get: {operationId: get-status}
    post: {operationId: post-status}
`;
