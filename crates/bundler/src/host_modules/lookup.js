// Finds a module of the page: by the host's map, by the map of older hosts, or by what `read` takes from globals.
var page = globalThis;
var found = function (names, read) {
  var host = page[Symbol.for("jackfield.host.v1")];
  var maps = [host && host.modules, page.__pluginModules];
  for (var i = 0; i < maps.length; i++) {
    for (var j = 0; maps[i] && j < names.length; j++) {
      if (maps[i][names[j]]) return maps[i][names[j]];
    }
  }
  return read && read(page);
};
exports.found = found;
exports.need = function (names, read) {
  var module = found(names, read);
  if (module) return module;
  throw new Error(
    "This plugin needs \"" + names[0] + "\" from the page, which does not provide it. The page must call " +
      "provideHost({ react, reactDom, jsxRuntime, sdk }) of @jackfield/plugin-sdk before it loads plugins."
  );
};
