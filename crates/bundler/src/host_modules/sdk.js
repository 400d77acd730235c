// Pages of older hosts provide no SDK. What only describes a plugin works there; what needs the page says so.
var names = __NAMES__;
var lookup = require("jackfield:host");
module.exports = lookup.found(names) || (function () {
  var same = function (value) {
    return value;
  };
  var need = function () {
    return lookup.need(names);
  };
  return {
    definePlugin: same,
    defineBackendPlugin: same,
    registerExtensionPoint: function (name, component) {
      return component;
    },
    createExtensionPoint: need,
    usePlatformSDK: need,
    usePluginConfig: need,
  };
})();
