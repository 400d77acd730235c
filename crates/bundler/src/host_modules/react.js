module.exports = require("jackfield:host").need(["react"], function (page) {
  return page.React;
});
