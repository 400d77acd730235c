// The key is a prop here: as a third argument of createElement it would become a child.
module.exports = require("jackfield:host").found(["react/jsx-runtime"]) || (function () {
  var React = require("react");
  if (!React.createElement && React.default) React = React.default;
  var jsx = function (type, props, key) {
    return React.createElement(type, key === undefined ? props : Object.assign({}, props, { key: key }));
  };
  return { Fragment: React.Fragment, jsx: jsx, jsxs: jsx };
})();
