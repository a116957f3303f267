//! Clients that mean harm: floods of frames, calls without end, connections without end. Others are served on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carnet::proto::v1;
use futures_util::future::join_all;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::{Sqlite, TestApp, on, on_tuned};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, RESET, SETTINGS, begin,
    call_headers, frame, next,
};
use crate::support::process::until;

/// How many connections a flood comes from.
const FLOODERS: usize = 8;
/// How many calls another client makes meanwhile.
const CALLS: usize = 200;
/// How many calls a connection may have under way.
const STREAMS_MAX: u32 = 256;
/// Longer than the server takes to see that a client is gone.
const SEEN_BY: Duration = Duration::from_secs(20);

/// A method that needs no token, so that a flood of its calls costs the flooder nothing.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const CONSUME: &str = "/carnet.v1.CreditService/Consume";

/// The calls of somebody else, each of which must succeed.
async fn calls_of_another(app: &TestApp) {
    for _ in 0..CALLS {
        let request = v1::ListItemsRequest::default();
        app.catalog().list_items(request).await.unwrap();
    }
}

/// What comes without end.
#[derive(Clone, Copy, Debug)]
enum Flood {
    Pings,
    /// The size of the window, again and again.
    Settings,
    /// Calls that are taken back at once.
    Resets,
}

/// What a flooder sends again and again; streams have odd numbers.
fn wave(flood: Flood, first_stream: u32) -> Vec<u8> {
    let streams = (0..100).map(|index| first_stream + 2 * index);
    let frames = streams.map(|stream| match flood {
        Flood::Pings => frame(PING, 0, 0, &[7; 8]),
        Flood::Settings => frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]),
        Flood::Resets => {
            let call = frame(HEADERS, END_HEADERS, stream, &call_headers(CONSUME, ""));
            [call, frame(RESET, 0, stream, &[0, 0, 0, 8])].concat()
        }
    });
    frames.collect::<Vec<_>>().concat()
}

/// Sends waves until told to stop, on a new connection whenever one is closed; answers are thrown away.
async fn send_waves(app: &TestApp, flood: Flood, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let (mut read, mut write) = begin(app.grpc_address()).await.into_split();
        let answers = tokio::spawn(async move {
            let mut sink = vec![0; 1 << 16];
            while let Ok(1..) = read.read(&mut sink).await {}
        });
        let mut first_stream = 1;
        while !over.load(Ordering::Relaxed) {
            let wave = wave(flood, first_stream);
            // A server that reads slowly keeps this waiting, which must not keep the test.
            let sent = tokio::time::timeout(Duration::from_millis(100), write.write_all(&wave));
            if matches!(sent.await, Ok(Err(_))) {
                break;
            }
            first_stream += 200;
        }
        answers.abort();
    }
}

#[rstest]
#[tokio::test]
async fn a_flood_of_frames_leaves_the_calls_of_others_alone(
    #[values(Flood::Pings, Flood::Settings, Flood::Resets)] flood: Flood,
) {
    on(Sqlite, async |app| {
        let over = AtomicBool::new(false);
        let others = async {
            calls_of_another(app).await;
            over.store(true, Ordering::Relaxed);
        };
        let floods = (0..FLOODERS).map(|_| send_waves(app, flood, &over));
        tokio::join!(join_all(floods), others);
    })
    .await;
}

#[tokio::test]
async fn calls_that_are_taken_back_by_the_hundred_end_their_connection() {
    on(Sqlite, async |app| {
        let mut stream = begin(app.grpc_address()).await;
        stream.write_all(&wave(Flood::Resets, 1)).await.unwrap();
        let mut said = Vec::new();
        while let Some(frame) = next(&mut stream).await {
            said.push(frame);
        }
        let last = said.iter().find(|frame| frame.kind == GO_AWAY).unwrap();
        // ENHANCE_YOUR_CALM
        assert_eq!(last.payload[4..8], [0, 0, 0, 11], "{last:?}");
        calls_of_another(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_has_so_many_calls_under_way_and_no_more() {
    on(Sqlite, async |app| {
        let mut stream = begin(app.grpc_address()).await;
        let offered = next(&mut stream).await.unwrap();
        assert_eq!(offered.kind, SETTINGS);
        let settings: Vec<&[u8]> = offered.payload.chunks(6).collect();
        for wanted in [[0, 3, 0, 0, 1, 0], [0, 6, 0, 0, 0x40, 0]] {
            assert!(settings.contains(&&wanted[..]), "{settings:?}");
        }
        // Their requests never end, so they stay.
        let headers = call_headers(REFLECTION, "");
        for index in 0..=STREAMS_MAX {
            let call = frame(HEADERS, END_HEADERS, 1 + 2 * index, &headers);
            stream.write_all(&call).await.unwrap();
        }
        loop {
            let frame = next(&mut stream).await.unwrap();
            if frame.kind == RESET {
                // REFUSED_STREAM: nothing was done, it may be sent again.
                assert_eq!(frame.payload, [0, 0, 0, 7]);
                break;
            }
        }
        calls_of_another(app).await;
    })
    .await;
}

/// No flood, but a client whose token has ended, or who is one of too many.
#[tokio::test]
async fn what_comes_of_calls_that_were_refused_already_does_not_end_their_connection() {
    on(Sqlite, async |app| {
        let mut stream = begin(app.grpc_address()).await;
        let headers = call_headers(CONSUME, "");
        let of_each = |part: &dyn Fn(u32) -> Vec<u8>| {
            let streams = (0..STREAMS_MAX).map(|index| part(1 + 2 * index));
            streams.collect::<Vec<_>>().concat()
        };
        let begun = of_each(&|id| frame(HEADERS, END_HEADERS, id, &headers));
        stream.write_all(&begun).await.unwrap();
        let mut refused = 0;
        while refused < STREAMS_MAX {
            let said = next(&mut stream).await.unwrap();
            assert_ne!(said.kind, GO_AWAY, "{said:?}");
            refused += u32::from(said.kind == HEADERS);
        }
        let rest = of_each(&|id| frame(DATA, END_STREAM, id, &[0; 5]));
        stream.write_all(&rest).await.unwrap();
        let call = frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1 + 2 * STREAMS_MAX,
            &headers,
        );
        stream.write_all(&call).await.unwrap();
        loop {
            let said = next(&mut stream).await.unwrap();
            assert_ne!(said.kind, GO_AWAY, "{said:?}");
            if said.kind == HEADERS {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn headers_without_end_and_data_that_are_none_are_not_kept() {
    on(Sqlite, async |app| {
        let mut stream = begin(app.grpc_address()).await;
        let endless = [
            frame(HEADERS, 0, 1, &call_headers(CONSUME, "")),
            frame(
                CONTINUATION,
                0,
                1,
                &[vec![0, 1, b'x', 127, 0], vec![b'x'; 127]].concat(),
            )
            .repeat(1_000),
        ];
        // It is closed on us while we write.
        let _ = stream.write_all(&endless.concat()).await;
        while next(&mut stream).await.is_some() {}

        let mut stream = begin(app.grpc_address()).await;
        let call = frame(HEADERS, END_HEADERS, 1, &call_headers(REFLECTION, ""));
        let nothing = frame(DATA, 0, 1, &[]).repeat(2_000);
        stream.write_all(&[call, nothing].concat()).await.unwrap();
        calls_of_another(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once_and_the_next_gets_the_place_of_one_that_went() {
    on_tuned(
        Sqlite,
        |settings| settings.server.limits.connections_max = 3,
        async |app| {
            let mut open = Vec::new();
            for _ in 0..3 {
                let mut stream = begin(app.grpc_address()).await;
                assert!(next(&mut stream).await.is_some());
                open.push(stream);
            }
            let mut refused = TcpStream::connect(app.grpc_address()).await.unwrap();
            let read = refused.read(&mut [0]).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
            open.pop();
            until(SEEN_BY, "a free place", async || {
                let request = v1::ListItemsRequest::default();
                app.catalog().list_items(request).await.is_ok()
            })
            .await;
        },
    )
    .await;
}
