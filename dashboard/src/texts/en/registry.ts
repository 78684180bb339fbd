/** One service registry: how instances see it, and who uses it. */
export const registry = {
  crumb: "Service registries",
  details: "Details",
  status: "Seen by instances",
  type: "Type",
  lastConnect: "Last answered",
  reason: "Reason",
  used: (count: number) => (count === 0 ? "used by no service" : `used by ${count} ${count === 1 ? "service" : "services"}`),
  instances: "Instance by instance",
  host: "Host",
  state: "State",
  noInstances: "No connected instance has asked it yet",
  noInstancesHint: "Instances ask a registry once a service of this gateway group is looked up in it.",
  services: "Services that are looked up in it",
  noServices: "No service is looked up in it yet",
  noServicesHint: "In the upstream of a service choose to find it by a service registry, and name this one.",
} as const;

export const usage = {
  header: "Used by",
  show: "Show",
  of: (name: string) => `Show who uses ${name}`,
  nobody: "Nobody uses it: it can be deleted.",
  more: (count: number) => `and ${count} more`,
  endSoon: (count: number) => `${count} ${count === 1 ? "certificate ends" : "certificates end"} within 30 days`,
  endSoonHint: "Replace them in time: with the same id, whoever uses them gets the new ones.",
} as const;
