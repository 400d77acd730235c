module.exports = require("jackfield:host").need(["react-dom/client"], function (page) {
  return page.ReactDOM && page.ReactDOM.createRoot ? page.ReactDOM : undefined;
});
