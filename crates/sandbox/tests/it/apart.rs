//! Owners never see anything of each other.

use sandbox::Owner;
use serde_json::json;

use crate::world::{World, owner, script};

#[tokio::test]
async fn the_state_of_a_script_is_its_owners_alone() {
    let world = World::new();
    let script =
        script("h: () => { globalThis.count = (globalThis.count ?? 0) + 1; return globalThis.count }");
    let other_plugin = Owner { plugin: "q".into(), ..owner("a") };
    for (owner, expected) in [
        (owner("a"), 1),
        (owner("a"), 2),
        (owner("b"), 1),
        (other_plugin, 1),
        (owner("a"), 3),
        (owner("b"), 2),
    ] {
        let told = world.run_as(&owner, &script, "h", json!({})).await.unwrap();
        assert_eq!(told["body"]["json"], expected, "{owner:?}");
    }
}

#[tokio::test]
async fn random_values_are_not_shared_by_instances() {
    let world = World::new();
    let script = script("h: () => [crypto.randomUUID(), Math.random()]");
    let one = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    let other = world.run_as(&owner("b"), &script, "h", json!({})).await.unwrap();
    assert_ne!(one["body"]["json"][0], other["body"]["json"][0]);
    assert_ne!(one["body"]["json"][1], other["body"]["json"][1]);
}
