module.exports = require("jackfield:host").need(["react-dom"], function (page) {
  return page.ReactDOM;
});
