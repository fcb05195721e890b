/*
 * Copyright 2026 The KVP4J authors
 *
 * Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
 * in compliance with the License. You may obtain a copy of the License at
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software distributed under the License
 * is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
 * or implied. See the License for the specific language governing permissions and limitations under
 * the License.
 */
package io.github.kvp4j.evaluation;

/** The unbiased estimator of the share of problems that one of k samples solves. */
public final class PassAtK {
  private PassAtK() {}

  /**
   * {@code 1 - C(n - c, k) / C(n, k)}, as a product that does not overflow.
   *
   * @param n samples
   * @param c how many of them are right
   * @param k 1 to n
   */
  public static double estimate(int n, int c, int k) {
    if (k < 1 || k > n || c < 0 || c > n) {
      throw new IllegalArgumentException("pass@" + k + " of " + c + " right in " + n);
    }
    double none = 1;
    for (int i = n - c + 1; i <= n; i++) {
      none *= i <= k ? 0 : 1 - (double) k / i;
    }
    return 1 - none;
  }
}
