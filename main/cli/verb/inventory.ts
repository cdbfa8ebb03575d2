import type { Command } from 'commander';
import type { InventoryView } from '../../api/floor-views.ts';
import { addVerb, type Cli, type CommonOptions } from '../cli.ts';
import { table, type Column, type Page } from '../table.ts';

/** `culvert inventory`: what the machines behind the services hosted here say of themselves. */
export function addInventory(program: Command, cli: Cli): void {
  addVerb(program, 'inventory', 'what answers behind the services hosted here').action(
    async (options: CommonOptions) => {
      const rows = await cli.withEngine(options, (engine) => engine.inventory.list());
      cli.print(options, rows, (all) =>
        all.length === 0
          ? 'Behind no service hosted here is a machine of a known protocol.\n'
          : inventoryTable(all, cli),
      );
    },
  );
}

function inventoryTable(rows: readonly InventoryView[], cli: Page): string {
  const columns: readonly Column<InventoryView>[] = [
    { title: 'SERVICE', text: (row) => row.service },
    { title: 'TARGET', text: (row) => row.target },
    { title: 'PROTOCOL', text: (row) => row.protocol },
    { title: 'VENDOR', text: (row) => row.vendor ?? '', spare: 3 },
    { title: 'PRODUCT', text: (row) => row.product ?? row.name ?? row.reason ?? '' },
    { title: 'REVISION', text: (row) => row.revision ?? '', spare: 2 },
    { title: 'SERIAL', text: (row) => row.serial ?? '', spare: 1 },
  ];
  return table(rows, columns, cli);
}
