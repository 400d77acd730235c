export const defineBackendPlugin = (definition) => definition;
export const jsonResponse = (body, status = 200, headers) =>
  headers === undefined ? { status, body } : { status, body, headers };
export const errorResponse = (status, message, details) => ({ status, body: { error: message, ...details } });
