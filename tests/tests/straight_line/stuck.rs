//! A client that takes nothing of its answer.

use std::time::Duration;

use serde_json::json;

use crate::kill::open;
use crate::rig::eventually;
use crate::{PATIENCE, all_is_sound, fake, hub, rows, serve};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_no_more_is_let_go() {
    let fake = fake("").await;
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[("fake", &fake)], "[limits]\nwrite_time = \"1s\"\n");
    tokio::task::block_in_place(|| {
        let process = serve(&hub);
        // more than all buffers on the way hold, slow enough to be still coming
        let stuck = open(&hub, "fake/m+tokens=100000,token_bytes=4000", "w5 ");
        eventually("the provider is let go", PATIENCE, || {
            (fake.record().counts().1 == 0).then_some(())
        });
        let ended =
            rows(&hub, 1, "SELECT outcome, has(`charges.meter`, 'output') AS charged FROM usage");
        assert_eq!(ended[0]["outcome"], json!("cancelled"), "{ended:?}");
        assert_eq!(ended[0]["charged"], json!(1), "what was given is owed: {ended:?}");
        assert_eq!(all_is_sound(&hub), 1);
        drop(stuck);

        // one that only pauses is not
        let paused = open(&hub, "fake/m+tokens=9", "w5 ");
        std::thread::sleep(Duration::from_millis(1500));
        rows(&hub, 2, "SELECT 1 FROM usage");
        rows(&hub, 1, "SELECT 1 FROM usage WHERE outcome = 'completed'");
        drop(paused);
        assert!(process.stop().unwrap().success());
    });
}
