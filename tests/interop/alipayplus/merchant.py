# Drives the official client for merchants: one JSON object a line in, one a line out. Not here: what an answer has to be.
import json
import sys

from com.alipay.ams.api.default_alipay_client import DefaultAlipayClient
from com.alipay.ams.api.model.amount import Amount
from com.alipay.ams.api.model.buyer import Buyer
from com.alipay.ams.api.model.env import Env
from com.alipay.ams.api.model.order import Order
from com.alipay.ams.api.model.payment_method import PaymentMethod
from com.alipay.ams.api.model.product_code_type import ProductCodeType
from com.alipay.ams.api.model.terminal_type import TerminalType
from com.alipay.ams.api.request.pay.alipay_inquiry_refund_request import AlipayInquiryRefundRequest
from com.alipay.ams.api.request.pay.alipay_pay_cancel_request import AlipayPayCancelRequest
from com.alipay.ams.api.request.pay.alipay_pay_query_request import AlipayPayQueryRequest
from com.alipay.ams.api.request.pay.alipay_pay_request import AlipayPayRequest
from com.alipay.ams.api.request.pay.alipay_refund_request import AlipayRefundRequest
from com.alipay.ams.api.response.pay.alipay_pay_query_response import AlipayPayQueryResponse
from com.alipay.ams.api.tools.webhook_tool import check_signature


def amount(asked):
    return Amount(currency=asked["currency"], value=asked["value"])


def pay(asked):
    request = AlipayPayRequest()
    request.product_code = ProductCodeType.CASHIER_PAYMENT
    request.payment_request_id = asked["number"]
    request.payment_amount = amount(asked)
    method = PaymentMethod()
    method.payment_method_type = "ALIPAY_CN"
    request.payment_method = method
    order = Order()
    order.reference_order_id = asked["number"]
    order.order_description = asked["description"]
    order.order_amount = amount(asked)
    buyer = Buyer()
    buyer.reference_buyer_id = asked["number"]
    order.buyer = buyer
    request.order = order
    env = Env()
    env.terminal_type = TerminalType.WEB
    request.env = env
    request.payment_redirect_url = asked["redirect"]
    request.payment_notify_url = asked["notify"]
    return request


def query(asked):
    request = AlipayPayQueryRequest()
    request.payment_request_id = asked["number"]
    return request


def cancel(asked):
    request = AlipayPayCancelRequest()
    request.payment_request_id = asked["number"]
    return request


def refund(asked):
    request = AlipayRefundRequest()
    request.refund_request_id = asked["number"]
    request.payment_id = asked["payment"]
    request.refund_amount = amount(asked)
    request.refund_reason = "行程取消"
    request.refund_notify_url = asked["notify"]
    return request


def query_refund(asked):
    request = AlipayInquiryRefundRequest()
    request.refund_request_id = asked["number"]
    return request


REQUESTS = {"pay": pay, "query": query, "cancel": cancel, "refund": refund, "query_refund": query_refund}


def answer(asked):
    keys = asked["keys"]
    if asked["call"] == "check":
        return check_signature(
            "POST", asked["path"], keys["client_id"], asked["time"], asked["body"], asked["signature"], keys["public"]
        )
    client = DefaultAlipayClient(asked["gateway"], keys["client_id"], keys["private"], keys["public"])
    said = client.execute(REQUESTS[asked["call"]](asked))
    if asked["call"] == "query" and json.loads(said)["result"]["resultStatus"] == "S":
        # What the client's own model makes of it.
        read = AlipayPayQueryResponse(said)
        return {**json.loads(said), "read": [read.payment_status.value, read.payment_amount.value, read.payment_id]}
    return json.loads(said)


for line in sys.stdin:
    try:
        print(json.dumps({"said": answer(json.loads(line))}), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
