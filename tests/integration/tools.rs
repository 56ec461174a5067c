//! Programs that find the running app by the file it leaves, and what they may do there.

use crate::world::{World, request_id, sample};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use zhiyou_embedded::runtime::{Client, ClientError, Runtime};

#[tokio::test]
async fn the_running_app_is_found_by_a_private_file_and_gone_after_it() {
    let mut world = World::new().await;
    let folder = world.data_dir.path().to_path_buf();
    let runtime = Runtime::read(&folder).unwrap();
    assert_eq!(runtime.pid, std::process::id());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.join("runtime.json")), 0o600);
    assert_eq!(mode(runtime.socket.parent().unwrap()), 0o700);
    let (mut client, _) = Client::connect(&folder).await.unwrap();
    let plan = client.call("import_plan", json!({ "text": sample(), "request_id": request_id() })).await.unwrap();
    assert_eq!(plan["title"], "上海周末");
    let cursor = client.wait(0).await.unwrap();
    assert!(cursor > 0);
    world.close_app().await;
    assert!(matches!(client.call("list_plans", json!({})).await, Err(ClientError::Gone(_))));
    assert!(Client::connect(&folder).await.is_none() && !folder.join("runtime.json").exists());
}

#[tokio::test]
async fn what_an_app_that_was_killed_left_behind_is_nobody() {
    let world = World::new().await;
    let runtime = Runtime::read(world.data_dir.path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let dead = Runtime { socket: elsewhere.path().join("zhiyou.sock"), ..runtime };
    std::fs::write(elsewhere.path().join("runtime.json"), serde_json::to_vec(&dead).unwrap()).unwrap();
    assert!(Client::connect(elsewhere.path()).await.is_none());
}

#[tokio::test]
async fn a_tool_that_speaks_nonsense_is_told_so_and_may_go_on_but_not_for_ever() {
    let world = World::new().await;
    let runtime = Runtime::read(world.data_dir.path()).unwrap();
    let (read, mut write) = tokio::net::UnixStream::connect(&runtime.socket).await.unwrap().into_split();
    let mut lines = BufReader::new(read).lines();
    for (line, code) in [
        ("{", "malformed_input"),
        ("{\"call\":\"no_such\",\"payload\":{}}", "not_found"),
        ("{\"call\":\"unlock_vault\",\"payload\":{\"passphrase\":\"guess guess guess\"}}", "only_in_window"),
    ] {
        write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(answer["fault"]["code"], code, "{line}");
    }
    // A line without an end ends the connection; the app goes on for others.
    let endless = vec![b'x'; 5 << 20];
    let _ = write.write_all(&endless).await;
    assert!(!matches!(lines.next_line().await, Ok(Some(_))));
    let (mut client, _) = Client::connect(world.data_dir.path()).await.unwrap();
    client.call("get_session", json!({})).await.unwrap();
}
