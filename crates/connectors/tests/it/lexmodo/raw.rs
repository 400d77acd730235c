//! Fields that this program does not know: ignored, and in `raw` where the operator describes them.

use connectors::lexmodo::{Config, ConfigError, Customers};
use model::Ambient;
use serde_json::json;

use super::platform::{Platform, client, config, ids, read, sized, store};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_fields_are_ignored() {
    let platform = Platform::start().await;
    platform.behave(json!({"unknown_fields": true})).await;
    assert_eq!(platform.customer("7-000001").await.unwrap(), "7-000001");
    let (found, error) = read(platform.pages(100)).await;
    assert!(error.is_none() && found == ids(7, 250), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_description_gives_what_the_platform_says() {
    let platform = Platform::start().await;
    platform.behave(json!({"unknown_fields": true})).await;
    let descriptor_set = Some(platform.server.descriptor_set().await.unwrap());
    let customers = client(Config { descriptor_set, ..config(&platform.server.address()) });

    let customer = customers.customer(&store(7), "7-000001").await.unwrap();
    let expected = json!({
        "customer_id": "7-000001",
        "customer_first_name": "Ben",
        "customer_last_name": "Baker",
        "customer_email": "customer-1@store-7.example",
        "customer_phone_number": "+1 555 7 0000001",
        "customer_full_name": "Ben Baker",
        "customer_company": "Company of 7-000001",
    });
    assert_eq!(customer.raw, Some(expected));

    let page = customers.page(&store(8), &sized(30), None).await.unwrap();
    assert_eq!(page.customers.len(), 30);
    for customer in page.customers {
        let raw = customer.raw.unwrap();
        assert_eq!(raw["customer_id"], json!(customer.id));
        assert_eq!(raw["customer_company"], json!(format!("Company of {}", customer.id)));
        assert_eq!(
            raw.get("customer_phone_number"),
            customer.phone_number.map(|number| json!(number)).as_ref()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_does_not_fit_is_refused_at_the_start() {
    let config = Config { descriptor_set: Some(b"nonsense".to_vec()), ..config("http://127.0.0.1:1") };
    let error = Customers::new(config, Ambient::system()).unwrap_err();
    assert!(matches!(&error, ConfigError::DescriptorSet(_)), "{error}");
    assert!(error.to_string().contains("LEXMODO_DESCRIPTOR_SET"), "{error}");
}
