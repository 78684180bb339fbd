/** Every text the Dashboard shows, by area. Another language is another folder of the same shape. */
export * as t from "./en";
