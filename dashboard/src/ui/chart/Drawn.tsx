/** ECharts as a React component, drawn on a canvas in the colours of the scheme; read out by its label. */
import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { BarChart, LineChart } from "echarts/charts";
import {
  AriaComponent,
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import { type EChartsCoreOption, type EChartsType, init, use as register } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";

register([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  DataZoomComponent,
  GridComponent,
  LegendComponent,
  LineChart,
  MarkLineComponent,
  TooltipComponent,
]);

export interface ChartProps {
  /** What it shows, for who cannot see it. */
  label: string;
  options: EChartsCoreOption;
  height?: number;
}

export function Drawn({ label, options, height = 260 }: ChartProps) {
  const scheme = useComputedColorScheme();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);

  useEffect(() => {
    if (!place.current) return;
    chart.current = init(place.current, scheme === "dark" ? "dark" : undefined);
    return () => chart.current?.dispose();
  }, [scheme]);

  useEffect(() => {
    // rich text is drawn on the canvas; a tooltip of elements would need inline styles
    const tooltip = { trigger: "axis", renderMode: "richText", ...(options["tooltip"] as object | undefined) };
    chart.current?.setOption({ backgroundColor: "transparent", animation: false, ...options, tooltip }, true);
  }, [options, scheme]);

  useEffect(() => {
    if (width > 0) chart.current?.resize();
  }, [width]);

  return (
    <div ref={ref}>
      <div ref={place} role="img" aria-label={label} style={{ height, width: "100%" }} />
    </div>
  );
}
