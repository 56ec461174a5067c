//! What the stub answers for Alipay: one gateway, whose every answer is signed inside its body.

use super::{Effect, PAYMENT, REPEATED, Shape, Stub};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Reads what is asked for from the address, and answers or fails.
pub(super) async fn answer(stub: &Stub, stream: &mut TcpStream, path: &str) {
    let asked: url::Url = format!("http://stub{path}").parse().unwrap();
    let method = asked.query_pairs().find(|(name, _)| name == "method").unwrap().1.into_owned();
    let key = format!("{}_response", method.replace('.', "_"));
    let sealed = |inner: &Value| {
        let inner = inner.to_string();
        format!("{{\"{key}\":{inner},\"sign\":\"{}\"}}", stub.platform.sign(&inner).unwrap())
    };
    if method == "alipay.trade.query" {
        let inner = if stub.effect == Effect::TakeBackAlipay {
            json!({"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_NOT_EXIST"})
        } else {
            json!({"code": "10000", "msg": "Success", "out_trade_no": PAYMENT, "trade_no": "42",
                "trade_status": "WAIT_BUYER_PAY", "total_amount": "299.01"})
        };
        return stub.write(stream, 200, &sealed(&inner), false).await;
    }
    stub.effects.fetch_add(1, Ordering::SeqCst);
    let done = |number: &str, code: &str| {
        json!({"code": "10000", "msg": "Success", "out_trade_no": number, "qr_code": code, "retry_flag": "N",
            "fund_change": "Y", "refund_fee": "1.00"})
    };
    let no = |code: &str, sub_code: &str| json!({"code": code, "msg": "x", "sub_code": sub_code, "sub_msg": REPEATED});
    match stub.shape {
        Shape::Refused | Shape::Reset => {}
        Shape::Silent => std::future::pending().await,
        Shape::HalfAnswer => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await.unwrap(),
        Shape::InternalError => stub.write(stream, 200, &sealed(&no("20000", "isp.unknow-error")), false).await,
        Shape::BadGateway => stub.write(stream, 502, "<html>", false).await,
        Shape::Unparsable => stub.write(stream, 200, "<html>", false).await,
        Shape::Unsigned => {
            let body = json!({key: done(PAYMENT, "https://qr.alipay.com/x"), "sign": "bm90IGEgc2lnbmF0dXJl"});
            stub.write(stream, 200, &body.to_string(), false).await;
        }
        Shape::Foreign => {
            let inner = done("01KA0000000000000000000ZZZ", "https://qr.alipay.com/x");
            stub.write(stream, 200, &sealed(&inner), false).await;
        }
        Shape::Accepted => stub.write(stream, 202, r#"{"data":{}}"#, false).await,
        Shape::TooMany => stub.write(stream, 200, &sealed(&no("40005", "isv.app-call-limited")), false).await,
        Shape::StrangersRefusal | Shape::Conflict => {
            stub.write(stream, 403, "<html>blocked by a proxy</html>", false).await
        }
        Shape::WrongKey => stub.write(stream, 200, &sealed(&no("40002", "isv.invalid-signature")), false).await,
        Shape::Decline => {
            stub.write(stream, 200, &sealed(&no("40006", "isv.insufficient-isv-permissions")), false).await
        }
    }
}
