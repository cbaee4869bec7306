//! Blobs against the suite of their port, and what is theirs alone, on an emulator of S3.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use porpoise_blobs_s3::{S3Blobs, Settings};
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::{Blobs as _, Unavailable, blobs_conformance};
use porpoise_region::unique;

use crate::support::client;

/// The suite's place is `home`; `eu` has a bucket of its own.
async fn bucket() -> (S3Blobs, (Client, String)) {
    let client = client();
    let (home, eu) = (unique("home"), unique("eu"));
    for bucket in [&home, &eu] {
        client.create_bucket().bucket(bucket).send().await.unwrap();
    }
    let buckets = [("home".to_owned(), home.clone()), ("eu".to_owned(), eu)];
    let settings = Settings {
        buckets: buckets.into(),
        prefix: "blobs/".to_owned(),
        patience: Duration::from_secs(10),
    };
    (S3Blobs::new(client.clone(), settings), (client, home))
}

blobs_conformance!(s3, bucket);

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

fn cause(error: &Unavailable) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn keys_are_place_project_and_hash() {
    let (blobs, (client, home)) = bucket().await;
    let hash = blobs.put("home", project(), "bytes".into()).await.unwrap();
    let listed = client.list_objects_v2().bucket(home).send().await.unwrap();
    let keys: Vec<&str> = listed
        .contents()
        .iter()
        .filter_map(aws_sdk_s3::types::Object::key)
        .collect();
    assert_eq!(keys, [format!("blobs/home/{}/{hash}", project())]);
}

#[tokio::test]
async fn places_are_apart_and_others_are_refused() {
    let (blobs, _guard) = bucket().await;
    let hash = blobs.put("home", project(), "bytes".into()).await.unwrap();
    assert_eq!(blobs.get("eu", project(), hash).await.unwrap(), None);
    let put = blobs.put("moon", project(), "bytes".into()).await;
    let got = blobs.get("moon", project(), hash).await;
    for error in [put.unwrap_err(), got.unwrap_err()] {
        let said = cause(&error);
        assert!(
            said.contains("no bucket is known for place `moon`"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_same_bytes_are_written_once() {
    let (blobs, (client, home)) = bucket().await;
    let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let call = client.put_bucket_versioning().bucket(&home);
    let call = call.versioning_configuration(on.build());
    call.send().await.unwrap();
    for _ in 0..3 {
        blobs.put("home", project(), "bytes".into()).await.unwrap();
    }
    let versions = client.list_object_versions().bucket(&home).send().await;
    assert_eq!(versions.unwrap().versions().len(), 1);
}

#[tokio::test]
async fn damaged_bytes_are_not_handed_out() {
    let (blobs, (client, home)) = bucket().await;
    let hash = blobs.put("home", project(), "bytes".into()).await.unwrap();
    let key = format!("blobs/home/{}/{hash}", project());
    let call = client.put_object().bucket(&home).key(&key);
    let call = call.body(Bytes::from_static(b"bites").into());
    call.send().await.unwrap();
    let said = cause(&blobs.get("home", project(), hash).await.unwrap_err());
    let found = VersionHash::of(b"bites").to_string();
    for part in [&key, &home, "damaged", &found] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_and_not_an_absent_blob() {
    let settings = Settings {
        buckets: [("home".to_owned(), unique("nowhere"))].into(),
        prefix: String::new(),
        patience: Duration::from_secs(10),
    };
    let blobs = S3Blobs::new(client(), settings);
    let put = blobs.put("home", project(), "bytes".into()).await;
    put.unwrap_err();
    let got = blobs
        .get("home", project(), VersionHash::of(b"bytes"))
        .await;
    got.unwrap_err();
}
