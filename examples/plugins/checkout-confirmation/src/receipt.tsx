import { money, type Texts } from "./texts";

interface ReceiptProps {
  order: Order;
  locale: string;
  texts: Texts;
}

/** The order in detail; loaded only for those who ask. */
export default function Receipt({ order, locale, texts }: ReceiptProps) {
  const placed = new Date(order.placedAt);
  return (
    <div className="cc-receipt">
      <time dateTime={order.placedAt}>
        {placed.toLocaleString(locale, { dateStyle: "long", timeStyle: "short" })}
      </time>
      <table>
        <tbody>
          {order.items.map(({ name, quantity, price }) => (
            <tr key={name}>
              <th scope="row">
                {quantity} × {name}
              </th>
              <td>{money(quantity * price, order.currency, locale)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">{texts.total}</th>
            <td>{money(order.total, order.currency, locale)}</td>
          </tr>
        </tfoot>
      </table>
      <button type="button" onClick={() => window.print()}>
        {texts.print}
      </button>
    </div>
  );
}
