import { ExtensionPoint } from "@jackfield/plugin-sdk";
import { useState } from "react";
import { locale } from "./settings";
import { BASKET, CURRENCY, money, orderPaidBy, TOTAL } from "./shop";

/** Basket and payment, then the confirmation. Nothing is charged: this shop has no payment provider. */
export function Checkout() {
  const [order, setOrder] = useState<Order | null>(null);
  if (order !== null) {
    return (
      <>
        <h1>Order {order.reference}</h1>
        <div className="card">
          <ExtensionPoint
            name="checkout-confirmation"
            order={order}
            whenEmpty={<p>Your order {order.reference} is complete.</p>}
          />
        </div>
        <button type="button" onClick={() => setOrder(null)}>
          Order again
        </button>
      </>
    );
  }
  return (
    <>
      <h1>Checkout</h1>
      <div className="columns">
        <section className="card" aria-labelledby="pay">
          <h2 id="pay">Payment</h2>
          <p className="hint">An example: nothing is charged. Try 4242 4242 4242 4242.</p>
          <ExtensionPoint
            name="payment-methods"
            amount={TOTAL}
            currency={CURRENCY}
            onPaymentComplete={(payment) => setOrder(orderPaidBy(payment))}
            whenEmpty={<p>No way to pay is enabled for this tenant.</p>}
          />
        </section>
        <section className="card" aria-labelledby="basket">
          <h2 id="basket">Basket</h2>
          <ul className="basket">
            {BASKET.map(({ name, quantity, price }) => (
              <li key={name}>
                <span>
                  {quantity} × {name}
                </span>
                <span>{money(quantity * price, locale)}</span>
              </li>
            ))}
            <li className="total">
              <span>Total</span>
              <span>{money(TOTAL, locale)}</span>
            </li>
          </ul>
        </section>
      </div>
    </>
  );
}
