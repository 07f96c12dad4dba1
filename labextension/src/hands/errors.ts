/** A command's failure, as the gateway is told of it: a code, and facts that belong to it. */
export class HandsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly facts: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "HandsError";
  }
}
