//! Errors told in the author's lines.

use sandbox::{Error, Script, SourceMap};
use serde_json::json;

use crate::world::{World, bare, owner};

/// Line 3 of this, from column 4, is line 12 of src/pay.ts, from column 2.
const SOURCE: &str = "var __plugin = (function () {\n  function pay(amount) {\n    throw new RangeError('no ' + amount);\n  }\n  return { handlers: { h: async (req) => pay(req.amount) } };\n})();";
const MAP: &str = r#"{"version":3,"sources":["src/pay.ts"],"names":[],"mappings":";;IAWE"}"#;

#[tokio::test]
async fn what_a_handler_throws_is_told_in_its_source() {
    let script = Script { source_map: Some(SourceMap::new(MAP)), ..bare(SOURCE) };
    let world = World::new();
    let error = world.run_as(&owner("a"), &script, "h", json!({ "amount": 7 })).await.unwrap_err();
    let Error::Threw(thrown) = &error else { panic!("{error:?}") };
    assert_eq!((thrown.name.as_str(), thrown.message.as_str()), ("RangeError", "no 7"));
    let place = thrown.place.as_ref().unwrap();
    assert_eq!((place.file.as_str(), place.line), ("src/pay.ts", Some(12)));
    assert!(thrown.stack[0].starts_with("pay (src/pay.ts:12:"), "{thrown:?}");
    assert_eq!(error.to_string(), "the plugin failed: RangeError: no 7 (at src/pay.ts:12)");
    assert!(!format!("{thrown:?}").contains("main.js"), "the prelude is not the author's: {thrown:?}");
}

#[tokio::test]
async fn without_a_map_the_scripts_own_lines_are_told() {
    let world = World::new();
    let error = world.run_as(&owner("a"), &bare(SOURCE), "h", json!({})).await.unwrap_err();
    let Error::Threw(thrown) = &error else { panic!("{error:?}") };
    assert_eq!(thrown.place.as_ref().unwrap().line, Some(3), "{thrown:?}");
    let error =
        world.run_as(&owner("a"), &bare("null.x; var __plugin = {}"), "h", json!({})).await.unwrap_err();
    let Error::DoesNotLoad(thrown) = &error else { panic!("{error:?}") };
    let place = thrown.place.as_ref().unwrap();
    assert_eq!((place.line, place.column.unwrap() < 9), (Some(1), true), "{thrown:?}");
}

#[tokio::test]
async fn what_the_host_refuses_is_told_where_it_was_asked_for() {
    let source = "var __plugin = { handlers: { h: async (req, ctx) => {\n  await ctx.storage.set('a', 1);\n  return await ctx.secrets.get('a');\n} } };";
    let error = World::new().run_as(&owner("a"), &bare(source), "h", json!({})).await.unwrap_err();
    let Error::Threw(thrown) = &error else { panic!("{error:?}") };
    assert_eq!(thrown.place.as_ref().unwrap().line, Some(3), "{thrown:?}");
}
