//! What the stub answers for Alipay+: one path per call, and every answer signed beside its body.

use super::{Effect, NOW_S, PAYMENT, REFUND, REPEATED, Shape, Stub};
use crate::pay::alipayplus::sign;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// The channel's number of an opened payment.
pub(super) const OPENED: &str = "202611201940108001001889C0238417260";
const CLIENT: &str = "5YEV2N2ZV8LC00920";

/// Answers or fails on the call with this path.
pub(super) async fn answer(stub: &Stub, stream: &mut TcpStream, path: &str) {
    let ended = |status: &str, code: &str, more: Value| {
        let mut answer = json!({"result": {"resultStatus": status, "resultCode": code, "resultMessage": REPEATED}});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        answer.to_string()
    };
    let amount = |value: &str| json!({"currency": "CNY", "value": value});
    if path.ends_with("/inquiryPayment") {
        let stands = json!({"paymentRequestId": PAYMENT, "paymentId": OPENED, "paymentStatus": "PROCESSING",
            "paymentAmount": amount("29901")});
        return write(stub, stream, path, 200, &ended("S", "SUCCESS", stands), true).await;
    }
    stub.effects.fetch_add(1, Ordering::SeqCst);
    let (status, code) = if stub.effect == Effect::OpenPlus { ("U", "PAYMENT_IN_PROCESS") } else { ("S", "SUCCESS") };
    let about = |payment: &str, refund: &str| {
        json!({"paymentRequestId": payment, "paymentId": OPENED, "refundRequestId": refund, "refundId": "1",
            "refundAmount": amount("100"), "normalUrl": "http://127.0.0.1:1/cashier"})
    };
    match stub.shape {
        Shape::Refused | Shape::Reset => {}
        Shape::Silent => std::future::pending().await,
        Shape::HalfAnswer => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap(),
        Shape::InternalError => {
            write(stub, stream, path, 200, &ended("U", "UNKNOWN_EXCEPTION", json!({})), true).await;
        }
        Shape::BadGateway => write(stub, stream, path, 502, "<html>", true).await,
        Shape::Unparsable => write(stub, stream, path, 200, "<html>", true).await,
        Shape::Unsigned => write(stub, stream, path, 200, &ended(status, code, about(PAYMENT, REFUND)), false).await,
        Shape::Foreign => {
            let another = "01KA0000000000000000000ZZZ";
            write(stub, stream, path, 200, &ended(status, code, about(another, another)), true).await;
        }
        Shape::Accepted => write(stub, stream, path, 202, r#"{"data":{}}"#, true).await,
        Shape::TooMany => write(stub, stream, path, 429, "", false).await,
        Shape::StrangersRefusal | Shape::Conflict => {
            write(stub, stream, path, 403, "<html>blocked by a proxy</html>", true).await;
        }
        Shape::WrongKey => write(stub, stream, path, 200, &ended("F", "KEY_NOT_FOUND", json!({})), true).await,
        Shape::Decline => write(stub, stream, path, 200, &ended("F", "ACCESS_DENIED", json!({})), true).await,
    }
}

/// Writes an answer, signed with the channel's key or with nothing.
async fn write(stub: &Stub, stream: &mut TcpStream, path: &str, status: u16, body: &str, signed: bool) {
    let time = NOW_S.to_string();
    let content = String::from_utf8(sign::content(path, CLIENT, &time, body.as_bytes())).unwrap();
    let proof = sign::header(&stub.platform.sign(&content).unwrap());
    let proof = format!("client-id: {CLIENT}\r\nresponse-time: {time}\r\nsignature: {proof}\r\n");
    let proof = if signed { proof.as_str() } else { "" };
    let head =
        format!("HTTP/1.1 {status} X\r\n{proof}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
}
