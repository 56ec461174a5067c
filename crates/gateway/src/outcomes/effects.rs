//! Every effect that is tried, and whose it is.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Wechatpay,
    Alipay,
    Stripe,
    Paypal,
    AlipayPlus,
    Duffel,
    Viator,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Open,
    OpenH5,
    OpenJsapi,
    OpenApp,
    Close,
    Refund,
    OpenAlipay,
    CloseAlipay,
    TakeBackAlipay,
    RefundAlipay,
    OpenPage,
    ClosePage,
    Capture,
    Void,
    RefundCard,
    OpenWallets,
    CloseWallets,
    RefundWallet,
    PaypalOpen,
    PaypalTakeApproved,
    PaypalSetAside,
    PaypalTake,
    PaypalVoid,
    PaypalRefund,
    OpenPlus,
    ClosePlus,
    RefundPlus,
    Hold,
    Book,
    Pay,
    CancelFlight,
    BookHotel,
    CancelHotel,
    BookCar,
    CancelCar,
    HoldActivity,
    BookActivity,
    CancelActivity,
}

pub(super) const EFFECTS: [Effect; 38] = [
    Effect::Open,
    Effect::OpenH5,
    Effect::OpenJsapi,
    Effect::OpenApp,
    Effect::Close,
    Effect::Refund,
    Effect::OpenAlipay,
    Effect::CloseAlipay,
    Effect::TakeBackAlipay,
    Effect::RefundAlipay,
    Effect::OpenPage,
    Effect::ClosePage,
    Effect::Capture,
    Effect::Void,
    Effect::RefundCard,
    Effect::OpenWallets,
    Effect::CloseWallets,
    Effect::RefundWallet,
    Effect::PaypalOpen,
    Effect::PaypalTakeApproved,
    Effect::PaypalSetAside,
    Effect::PaypalTake,
    Effect::PaypalVoid,
    Effect::PaypalRefund,
    Effect::OpenPlus,
    Effect::ClosePlus,
    Effect::RefundPlus,
    Effect::Hold,
    Effect::Book,
    Effect::Pay,
    Effect::CancelFlight,
    Effect::BookHotel,
    Effect::CancelHotel,
    Effect::BookCar,
    Effect::CancelCar,
    Effect::HoldActivity,
    Effect::BookActivity,
    Effect::CancelActivity,
];

impl Effect {
    pub(super) const fn provider(self) -> Provider {
        match self {
            Self::Open | Self::OpenH5 | Self::OpenJsapi | Self::OpenApp | Self::Close | Self::Refund => {
                Provider::Wechatpay
            }
            Self::OpenAlipay | Self::CloseAlipay | Self::TakeBackAlipay | Self::RefundAlipay => Provider::Alipay,
            Self::OpenPage | Self::ClosePage | Self::Capture | Self::Void | Self::RefundCard => Provider::Stripe,
            Self::OpenWallets | Self::CloseWallets | Self::RefundWallet => Provider::Stripe,
            Self::PaypalOpen
            | Self::PaypalTakeApproved
            | Self::PaypalSetAside
            | Self::PaypalTake
            | Self::PaypalVoid
            | Self::PaypalRefund => Provider::Paypal,
            Self::OpenPlus | Self::ClosePlus | Self::RefundPlus => Provider::AlipayPlus,
            Self::Hold
            | Self::Book
            | Self::Pay
            | Self::CancelFlight
            | Self::BookHotel
            | Self::CancelHotel
            | Self::BookCar
            | Self::CancelCar => Provider::Duffel,
            Self::HoldActivity | Self::BookActivity | Self::CancelActivity => Provider::Viator,
        }
    }

    /// Whether the page offers wallets beside cards.
    pub(super) const fn by_wallet(self) -> bool {
        matches!(self, Self::OpenWallets | Self::CloseWallets | Self::RefundWallet)
    }
}
