use super::*;

#[tokio::test]
async fn the_end_of_the_input_is_heard_whatever_comes_before_it() {
    let enough = Notify::new();
    watch_input(&mut [7; 5000].as_slice(), &enough);
    enough.notified().await;
}

#[tokio::test]
async fn health_is_told_of_the_services_that_hosts_ask_for() {
    let controller = Controller(Arc::default());
    let check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        controller.check(Request::new(request)).await
    };
    for service in ["", "plugin"] {
        let health = check(service).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::Serving);
    }
    assert_eq!(check("other").await.unwrap_err().code(), tonic::Code::NotFound);
    controller.shutdown(Request::new(Empty {})).await.unwrap();
    controller.0.notified().await;
}
