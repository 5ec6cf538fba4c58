// Judges the names in a board by npm @grafana/data's own registries: units, reducers, transformations, matchers, colours,
// mappings. Grafana takes a name it does not know without a word and shows something else.
// In: {name: board} as JSON on stdin; argument: the folder with node_modules. Out: {checks: {name: number}, faults: {name: [sentence]}}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

globalThis.navigator ??= { language: "en", languages: ["en"] }; // the package asks the browser for its language
const grafana = createRequire(join(resolve(process.argv[2]), "package.json"))("@grafana/data");

const registries = {
  unit: new Set(grafana.getValueFormats().flatMap((group) => group.submenu.map((unit) => unit.value))),
  reducer: new Set(grafana.fieldReducers.list().map((reducer) => reducer.id)),
  transformation: new Set(Object.values(grafana.DataTransformerID)),
  matcher: new Set(grafana.fieldMatchers.list().map((matcher) => matcher.id)),
  "colour mode": new Set(grafana.fieldColorModeRegistry.list().map((mode) => mode.id)),
  mapping: new Set(Object.values(grafana.MappingType)),
};
const PREFIXED_UNIT = /^(suffix|prefix|time|si|count|currency|bool):./;
const HEX = /^#([0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})$/i;
const WORDS = new Set(["text", "transparent", "background"]);
const palette = grafana.createTheme().visualization;

function isColour(name) {
  return HEX.test(name) || WORDS.has(name) || HEX.test(palette.getColorByName(name)) || /^rgba?\(/.test(name);
}

/** [kind, name, where] of every name a panel uses. */
function* namesOf(panel) {
  const options = panel.options ?? {};
  for (const reducer of options.reduceOptions?.calcs ?? []) yield ["reducer", reducer];
  for (const reducer of options.legend?.calcs ?? []) yield ["reducer", reducer];
  for (const reducer of options.footer?.reducers ?? options.footer?.reducer ?? []) yield ["reducer", reducer];
  for (const { id, options: its = {} } of panel.transformations ?? []) {
    yield ["transformation", id];
    if (id === "reduce") for (const reducer of its.reducers ?? []) yield ["reducer", reducer];
    if (id === "groupBy") for (const field of Object.values(its.fields ?? {})) for (const one of field.aggregations ?? []) yield ["reducer", one];
  }
  for (const part of ["nodes", "edges"])
    for (const unit of [options[part]?.mainStatUnit, options[part]?.secondaryStatUnit]) if (unit) yield ["unit", unit];
  for (const arc of options.nodes?.arcs ?? []) yield ["colour", arc.color];
  const { defaults = {}, overrides = [] } = panel.fieldConfig ?? {};
  yield* namesOfField(defaults);
  for (const { matcher, properties } of overrides) {
    yield ["matcher", matcher.id];
    yield* namesOfField(Object.fromEntries(properties.map(({ id, value }) => [id, value])));
  }
}

function* namesOfField(field) {
  if (field.unit !== undefined) yield ["unit", field.unit];
  if (field.color) yield ["colour mode", field.color.mode];
  if (field.color?.fixedColor) yield ["colour", field.color.fixedColor];
  for (const step of field.thresholds?.steps ?? []) yield ["colour", step.color];
  for (const mapping of field.mappings ?? []) {
    yield ["mapping", mapping.type];
    const results = mapping.type === "value" ? Object.values(mapping.options) : [mapping.options.result];
    for (const result of results) if (result?.color) yield ["colour", result.color];
  }
  for (const reducer of field["custom.footer"]?.reducers ?? []) yield ["reducer", reducer];
}

function known(kind, name) {
  if (kind === "colour") return isColour(name);
  if (kind === "unit" && / {2}/.test(grafana.formattedValueToString(grafana.getValueFormat(name)(1)))) return false;
  return registries[kind].has(name) || (kind === "unit" && PREFIXED_UNIT.test(name));
}

const checks = {};
const faults = {};
for (const [name, board] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  faults[name] = [];
  checks[name] = 0;
  const panels = board.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
  for (const panel of panels)
    for (const [kind, used] of namesOf(panel)) {
      checks[name] += 1;
      if (!known(kind, used)) faults[name].push(`${panel.title}: Grafana knows no ${kind} ${JSON.stringify(used)}`);
    }
}
process.stdout.write(JSON.stringify({ checks, faults }));
