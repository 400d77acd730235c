import { ExtensionPoint } from "@jackfield/plugin-sdk";
import { CURRENCY, SALES } from "./shop";

/** Widgets of the enabled plugins, each in a card. */
export function Dashboard() {
  return (
    <>
      <h1>Dashboard</h1>
      <div className="cards">
        <ExtensionPoint
          name="dashboard-widgets"
          currency={CURRENCY}
          sales={SALES}
          renderPlugin={(_, element) => <div className="card">{element}</div>}
          whenEmpty={<p className="card">No widget is enabled for this tenant.</p>}
        />
      </div>
    </>
  );
}
