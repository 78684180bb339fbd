/** What is known of one thing: a name and what is said of it, row by row; what is not known has no row. */
import { Table } from "@mantine/core";
import type { ReactNode } from "react";

export type Fact = readonly [name: string, said: ReactNode];

export function Facts({ label, facts }: { label: string; facts: readonly Fact[] }) {
  return (
    <Table variant="vertical" aria-label={label} maw={900}>
      <Table.Tbody>
        {facts.map(([name, said]) =>
          said === undefined || said === null || said === "" || said === false ? null : (
            <Table.Tr key={name}>
              <Table.Th w="30%" scope="row">
                {name}
              </Table.Th>
              <Table.Td className="break">{said}</Table.Td>
            </Table.Tr>
          ),
        )}
      </Table.Tbody>
    </Table>
  );
}
