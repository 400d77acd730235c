module.exports = globalThis[Symbol.for("jackfield.host.v1")].modules["react/jsx-runtime"];
