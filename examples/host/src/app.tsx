import { JackfieldProvider, type NoticeKind, type PluginFailure } from "@jackfield/plugin-sdk";
import { useCallback, useEffect, useMemo, useState } from "react";
import { Checkout } from "./checkout";
import { Dashboard } from "./dashboard";
import { getToken, locale, server, tenant } from "./settings";
import { SettingsPage } from "./settings-page";
import { ThemeContext } from "./theme";

const PAGES = { dashboard: Dashboard, checkout: Checkout, settings: SettingsPage };
type PageName = keyof typeof PAGES;

interface Notice {
  message: string;
  kind: NoticeKind;
}

/** The whole page: navigation, theme, notices, and the connection to Jackfield. */
export function App() {
  const [page, setPage] = useState<PageName>(() => pageOf(location.hash));
  const [theme, setTheme] = useState<Theme>(() => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
  const [notice, setNotice] = useState<Notice | null>(null);
  const Page = PAGES[page];

  useEffect(() => {
    const follow = () => setPage(pageOf(location.hash));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
  }, [theme]);

  const platform = useMemo(
    () => ({
      navigate: (path: string) => void (location.hash = `#${path}`),
      notify: (message: string, kind: NoticeKind = "info") => setNotice({ message, kind }),
      ThemeContext,
      locale,
    }),
    [],
  );
  const report = useCallback(({ phase, plugin, error }: PluginFailure) => {
    console.error(`plugin ${plugin?.id ?? "list"}: ${phase} failed`, error);
  }, []);

  return (
    <ThemeContext.Provider value={theme}>
      <JackfieldProvider server={server} tenant={tenant} getToken={getToken} platform={platform} onError={report}>
        <header className="bar">
          <strong className="logo">Stalls &amp; Circle</strong>
          <nav aria-label="Sections">
            {Object.keys(PAGES).map((name) => (
              <a key={name} href={`#/${name}`} aria-current={name === page ? "page" : undefined}>
                {name}
              </a>
            ))}
          </nav>
          <span className="tenant">
            tenant <b>{tenant}</b>
          </span>
          <button type="button" onClick={() => setTheme(theme === "light" ? "dark" : "light")}>
            {theme === "light" ? "Dark" : "Light"} theme
          </button>
        </header>
        <main>
          <Page />
        </main>
        <p role="status" className="notice" data-kind={notice?.kind}>
          {notice?.message}
        </p>
      </JackfieldProvider>
    </ThemeContext.Provider>
  );
}

function pageOf(hash: string): PageName {
  const name = hash.replace(/^#\/?/, "");
  return Object.hasOwn(PAGES, name) ? (name as PageName) : "dashboard";
}
