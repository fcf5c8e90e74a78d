"""Upstream's reward: how much of the gold result was found, and in how much of its order.

    reward = round(tau * IoU, 2), or IoU where Kendall's tau is not a number

IoU is that of the two results as multisets of printed rows. Tau is Kendall's tau-b between the two sequences
of rows that both results have, cut to the shorter one, compared as printed text (princeton-nlp/intercode,
envs/sql/sql_env.py, get_reward).
"""
