module.exports = globalThis[Symbol.for("jackfield.host.v1")].modules["@jackfield/plugin-sdk"];
