import { hear } from "./hear.js";

window.hear = hear;
