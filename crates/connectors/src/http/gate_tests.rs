//! The turns of tenants.

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::*;

const BOUNDS: Bounds =
    Bounds { calls: 4, calls_per_tenant: 3, calls_per_connection: 2, waiting_per_tenant: 5, waiting: 8 };

type Entering = BoxFuture<'static, Result<Permit, Full>>;

/// Begins to wait.
fn enter(gate: &Arc<Gate>, tenant: &str, connection: &str) -> Entering {
    let (gate, tenant, connection) = (Arc::clone(gate), tenant.parse().unwrap(), connection.to_owned());
    async move { gate.enter(&tenant, &connection).await }.boxed()
}

fn now(entering: &mut Entering) -> Option<Result<Permit, Full>> {
    entering.now_or_never()
}

fn entered(gate: &Arc<Gate>, tenant: &str, connection: &str) -> Permit {
    now(&mut enter(gate, tenant, connection)).unwrap().unwrap()
}

fn waiting(gate: &Arc<Gate>, tenant: &str, connection: &str) -> Entering {
    let mut entering = enter(gate, tenant, connection);
    assert!(now(&mut entering).is_none());
    entering
}

fn is_empty(gate: &Gate) -> bool {
    let state = gate.lock();
    state.calls == 0
        && state.waiting == 0
        && state.connections.is_empty()
        && state.tenants.is_empty()
        && state.turns.is_empty()
}

#[test]
fn each_bound_holds() {
    let gate = Gate::new(BOUNDS);
    let held = [entered(&gate, "a", "1"), entered(&gate, "a", "1")];
    let mut same_connection = waiting(&gate, "a", "1");
    // Another connection of the same tenant would be let through, but for the one before it.
    let mut other_connection = enter(&gate, "a", "2");
    let other = now(&mut other_connection).unwrap().unwrap();
    let mut third = waiting(&gate, "a", "3");
    let last = entered(&gate, "b", "4");
    let mut over = waiting(&gate, "c", "5");
    drop(last);
    let c = now(&mut over).unwrap().unwrap();
    drop((other, c));
    let third = now(&mut third).unwrap().unwrap();
    assert!(now(&mut same_connection).is_none());
    drop(held);
    drop((now(&mut same_connection).unwrap().unwrap(), third));
    assert!(is_empty(&gate));
}

#[test]
fn tenants_take_turns_however_many_one_sends() {
    let gate = Gate::new(Bounds { calls: 1, ..BOUNDS });
    let held = entered(&gate, "a", "1");
    let mut flood: Vec<Entering> = (0..4).map(|_| waiting(&gate, "a", "1")).collect();
    let mut b = waiting(&gate, "b", "2");
    let mut c = waiting(&gate, "c", "3");
    drop(held);
    // `a` was the first to wait; then it is the others' turn.
    let first = now(&mut flood[0]).unwrap().unwrap();
    assert!(now(&mut b).is_none());
    drop(first);
    let permit = now(&mut b).unwrap().unwrap();
    drop(permit);
    let permit = now(&mut c).unwrap().unwrap();
    drop(permit);
    for entering in &mut flood[1..] {
        drop(now(entering).unwrap().unwrap());
    }
    assert!(is_empty(&gate));
}

#[test]
fn only_so_many_wait() {
    let gate = Gate::new(Bounds { calls: 1, ..BOUNDS });
    let held = entered(&gate, "a", "1");
    let mut all: Vec<Entering> = (0..5).map(|_| waiting(&gate, "a", "1")).collect();
    assert_eq!(now(&mut enter(&gate, "a", "1")).unwrap().unwrap_err(), Full);
    all.extend((0..3).map(|_| waiting(&gate, "b", "2")));
    assert_eq!(now(&mut enter(&gate, "c", "3")).unwrap().unwrap_err(), Full);
    drop(all);
    drop(held);
    assert!(is_empty(&gate));
}

#[test]
fn who_goes_away_is_passed_over_and_takes_nothing_along() {
    let gate = Gate::new(Bounds { calls: 1, ..BOUNDS });
    let held = entered(&gate, "a", "1");
    let (first, mut second) = (waiting(&gate, "a", "1"), waiting(&gate, "b", "2"));
    drop(first);
    drop(held);
    // Let through, and going away before it knows.
    let third = waiting(&gate, "c", "3");
    drop(now(&mut second).unwrap().unwrap());
    drop(third);
    assert!(is_empty(&gate));
    drop(entered(&gate, "a", "1"));
}
