/** Colours and defaults of the component kit; the greys are darker than the kit's own, for contrast (WCAG 2.2, 1.4.3). */
import { createTheme, type CSSVariablesResolver } from "@mantine/core";

/** The page behind does not scroll, but keeps its scroll bar: to take it away means to lay out the whole page anew. */
const STILL = { removeScrollBar: false };

export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: { light: 8, dark: 8 },
  autoContrast: true,
  respectReducedMotion: true,
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  components: {
    // the colour of an outline is too faint for text; the frame and the sign say what it is
    Alert: { styles: { title: { color: "var(--mantine-color-text)" } } },
    Notification: { styles: { description: { color: "var(--mantine-color-text)" } } },
    Drawer: { defaultProps: { position: "right", size: "xl", removeScrollProps: STILL } },
    // above drawers that are stacked (201 and on), below what drops down (300)
    Modal: { defaultProps: { zIndex: 250, removeScrollProps: STILL } },
    Tooltip: { defaultProps: { withArrow: true, multiline: true, maw: 380 } },
  },
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "var(--mantine-color-gray-7)",
    "--mantine-color-placeholder": "#6c757d",
    "--mantine-color-error": "var(--mantine-color-red-9)",
    "--mantine-color-anchor": "var(--mantine-color-blue-9)",
  },
  dark: {
    "--mantine-color-dimmed": "var(--mantine-color-dark-1)",
    "--mantine-color-placeholder": "#9a9a9a",
    "--mantine-color-error": "var(--mantine-color-red-4)",
    "--mantine-color-anchor": "var(--mantine-color-blue-3)",
  },
});
