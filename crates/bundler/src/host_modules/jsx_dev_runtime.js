// Bundles are built with the production runtime; this is for sources that name the other one themselves.
module.exports = require("jackfield:host").found(["react/jsx-dev-runtime"]) || (function () {
  var runtime = require("react/jsx-runtime");
  return {
    Fragment: runtime.Fragment,
    jsxDEV: function (type, props, key) {
      return runtime.jsx(type, props, key);
    },
  };
})();
