/** What the pages of receipts ask. */
import { keepPreviousData, queryOptions } from "@tanstack/react-query";

import { api, many } from "@/api/client";
import { LIVE, type Receipt } from "@/api/queries";

export const PAGE_SIZE = 20;

export type Summary = Omit<Receipt, "instances" | "expected">;
export type Line = Receipt["instances"][number];

export function receiptPageQuery(groupId: string, page: number) {
  return queryOptions({
    queryKey: ["group", groupId, "receipts", "page", page],
    refetchInterval: LIVE,
    placeholderData: keepPreviousData,
    queryFn: () => {
      const params = { path: { gateway_group_id: groupId }, query: { page, page_size: PAGE_SIZE } };
      return many(api.GET("/api/gateway_groups/{gateway_group_id}/receipts", { params }));
    },
  });
}
