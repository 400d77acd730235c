"use client";
/** Keeps what goes wrong in one plugin away from the rest of the page. */
import { Component, type ErrorInfo, type ReactNode } from "react";

interface PluginBoundaryProps {
  onCatch(error: unknown, componentStack: string | undefined): void;
  fallback(error: unknown): ReactNode;
  /** Where this is another, what has failed is tried again. */
  resetBy?: unknown;
  children?: ReactNode;
}

interface PluginBoundaryState {
  failed: boolean;
  error: unknown;
}

/** Shows `fallback` once a component below it has thrown while rendering or loading. */
export class PluginBoundary extends Component<PluginBoundaryProps, PluginBoundaryState> {
  override state: PluginBoundaryState = { failed: false, error: undefined };

  static getDerivedStateFromError(error: unknown): PluginBoundaryState {
    return { failed: true, error };
  }

  override componentDidCatch(error: unknown, info: ErrorInfo): void {
    this.props.onCatch(error, info.componentStack ?? undefined);
  }

  override componentDidUpdate(before: PluginBoundaryProps): void {
    if (this.state.failed && before.resetBy !== this.props.resetBy) this.setState({ failed: false, error: undefined });
  }

  override render(): ReactNode {
    return this.state.failed ? this.props.fallback(this.state.error) : this.props.children;
  }
}
