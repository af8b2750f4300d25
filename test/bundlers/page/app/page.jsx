"use client";
import { useEffect } from "react";
import { hear } from "../src/hear.js";

// biome-ignore lint/style/noDefaultExport: what Next.js asks for
export default function Page() {
  useEffect(() => {
    window.hear = hear;
  }, []);
  return <p>sensevoice</p>;
}
