//! The graceful stop.

use std::time::Duration;

use lazuli_server::{Limits, Stopped};
use tokio::net::TcpStream;

use crate::client::{Client, within};
use crate::fake::Fixture;

const HANG: &str = "GET /hang HTTP/1.1\r\nHost: h\r\n\r\n";
const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn requests_in_flight_are_finished() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut idle = Client::connect(fixture.blob).await;
    idle.send("GET /target HTTP/1.1\r\nHost: h\r\n\r\n").await;
    idle.answer().await;
    let mut busy = Client::connect(fixture.blob).await;
    busy.send(HANG).await;
    within(fixture.fake.entered.notified()).await;
    let stop = tokio::spawn(fixture.server.stop(LONG));
    assert_eq!(idle.rest().await, "");
    // The idle connection was closed, so the stop is under way.
    let refused = within(async {
        while TcpStream::connect(fixture.blob).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    refused.await;
    assert!(!stop.is_finished());
    fixture.fake.gate.0.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(within(stop).await.unwrap(), Stopped::Gracefully);
    assert_eq!(busy.rest().await, "");
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_closed() {
    let fixture = Fixture::start(Limits::default()).await;
    let mut busy = Client::connect(fixture.blob).await;
    busy.send(HANG).await;
    within(fixture.fake.entered.notified()).await;
    let stopped = within(fixture.server.stop(Duration::from_millis(20))).await;
    assert_eq!(stopped, Stopped::Forcibly);
    assert_eq!(busy.rest().await, "");
    assert!(fixture.metrics.render().unwrap().contains("lazuli_requests_aborted_total 1\n"));
}

#[tokio::test]
async fn a_server_without_connections_stops_at_once() {
    let fixture = Fixture::start(Limits::default()).await;
    assert_eq!(within(fixture.server.stop(LONG)).await, Stopped::Gracefully);
}
