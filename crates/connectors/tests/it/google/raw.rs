//! What callers send as it is stays below the API of the connector that they name.

use axum::http::Method;
use connectors::calendar::CalendarConnector;
use connectors::connector::Connector;
use connectors::drive::DriveConnector;
use connectors::gmail::GmailConnector;
use connectors::http::RawPath;

use super::world::World;

#[tokio::test]
async fn the_other_apis_of_a_host_are_out_of_reach() {
    for root in ["/", "/google/"] {
        let world = World::fake_at(root, []).await;
        let connectors: [Box<dyn Connector>; 3] = [
            Box::new(GmailConnector::new(&world.http)),
            Box::new(DriveConnector::new(&world.http)),
            Box::new(CalendarConnector::new(&world.http)),
        ];
        for (connector, below) in connectors.iter().zip(["gmail/v1", "drive/v3", "calendar/v3"]) {
            let api = connector.surfaces().raw.unwrap().api(&world.context).unwrap();
            let request = api.raw(Method::GET, &RawPath::parse("admin/directory/v1/users").unwrap(), None);
            assert_eq!(request.url().path(), format!("{root}{below}/admin/directory/v1/users"));
        }
    }
}
