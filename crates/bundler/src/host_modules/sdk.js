// Pages of older hosts provide no SDK. What only describes a plugin works there; what needs the page says so.
var names = __NAMES__;
var lookup = require("jackfield:host");
module.exports = lookup.found(names) || (function () {
  var registered = {};
  var same = function (value) {
    return value;
  };
  var need = function () {
    return lookup.need(names);
  };
  return {
    definePlugin: function (plugin) {
      var points = Object.assign({}, registered, plugin.extensionPoints);
      registered = {};
      return Object.assign({}, plugin, { extensionPoints: points });
    },
    defineBackendPlugin: same,
    registerExtensionPoint: function (name, component) {
      return (registered[name] = component);
    },
    createExtensionPoint: same,
    useEvents: need,
    usePlatformSDK: need,
    usePluginConfig: need,
  };
})();
